#!/bin/sh
# Makes the database of an Open vSwitch that is started by hand, once, with userspace TSO: the
# daemon reads that at its start. A database that is there stays as it is.
set -eu
database=/etc/openvswitch/conf.db
mkdir -p /run/openvswitch /etc/openvswitch
[ ! -e "$database" ] || exit 0
rm -f "$database.new"
ovsdb-tool create "$database.new" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-tool transact "$database.new" '["Open_vSwitch", {"op": "insert", "table": "Open_vSwitch",
    "row": {"other_config": ["map", [["userspace-tso-enable", "true"]]]}}]' >/dev/null
mv "$database.new" "$database"
