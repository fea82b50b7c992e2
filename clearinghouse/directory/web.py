from apiflask import APIBlueprint

directory = APIBlueprint("directory", __name__, url_prefix="/v1", tag="Directory")
