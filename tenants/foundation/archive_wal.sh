#!/bin/sh
# archive_command: archive_wal.sh SOURCE NAME FOLDER copies one file of PostgreSQL's WAL into FOLDER, with its BLAKE2
# sum beside it. When this has succeeded PostgreSQL deletes its own, so both are on the disk by then. A file that is
# there already is left as it is: the same one means that the last try was killed before PostgreSQL knew.
set -eu
source=$1 name=$2 folder=$3

if [ -e "$folder/$name" ]; then
    cmp -s "$source" "$folder/$name" && exit 0
    echo "archive_wal: $folder/$name is there and is another; two databases must not share a backup folder" >&2
    exit 1
fi

# The rest of a segment that was ended early is zeros, which take no room this way.
cp --sparse=always "$source" "$folder/$name.part"
b2sum < "$source" > "$folder/$name.b2.part"
sync "$folder/$name.part" "$folder/$name.b2.part"
mv "$folder/$name.b2.part" "$folder/$name.b2"
mv "$folder/$name.part" "$folder/$name"
sync "$folder"
