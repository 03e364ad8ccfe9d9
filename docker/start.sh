#!/bin/sh
# Fills an empty user directory, never changes what is there, and starts Node-RED.
set -eu
if [ ! -w /data ]; then
  echo "Node-RED's user $(id -u):$(id -g) cannot write to /data, where flows and posts that wait are kept." >&2
  echo "Mount a volume, or give the mounted folder to that user: chown -R $(id -u):$(id -g) FOLDER" >&2
  exit 1
fi
cp --recursive --no-clobber /opt/first-start/. /data/
exec node /opt/node-red/node_modules/node-red/red.js --userDir /data --settings /opt/settings.cjs
