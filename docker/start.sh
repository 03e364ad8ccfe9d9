#!/bin/sh
# Fills an empty user directory, never changes what is there, and starts Node-RED.
set -eu
cp --recursive --no-clobber /opt/first-start/. /data/
exec node /opt/node-red/node_modules/node-red/red.js --userDir /data --settings /opt/settings.cjs
