from apiflask import APIBlueprint

settlement = APIBlueprint("settlement", __name__, url_prefix="/v1/settlement", tag="Settlement")
