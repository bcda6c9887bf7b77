#!/bin/sh
# One guest as an administrator raises it on a hypervisor. The seed's three files lie beside this
# script; the arguments are name, image, GiB of disk, MiB of memory, processors, type and processor
# of the domain, and then those of its networks.
set -eu
name=$1 image=$2 disk=$3 memory=$4 vcpus=$5 type=$6 cpu=$7
shift 7
cd "${0%/*}"

qemu-img create -q -f qcow2 -b "$image" -F qcow2 disk.qcow2 "${disk}G"
xorriso -as genisoimage -quiet -volid cidata -joliet -rock -output seed.iso \
    user-data meta-data network-config
# A disk and no CD: the cloud kernel has no SATA.
virt-install --quiet --noautoconsole --import --name "$name" --osinfo require=off \
    --virt-type "$type" --machine q35 --cpu "$cpu" --memory "$memory" --vcpus "$vcpus" \
    --disk path="$PWD/disk.qcow2",format=qcow2,bus=virtio \
    --disk path="$PWD/seed.iso",format=raw,bus=virtio,readonly=on \
    --graphics none "$@"
