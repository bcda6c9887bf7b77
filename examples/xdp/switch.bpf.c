/* A learning switch as an XDP program: it runs in the kernel, at each port, for each frame. */
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_helpers.h>

struct address {
  __u8 octets[ETH_ALEN];
  __u16 unused;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH); /* the oldest goes when there is no room */
  __uint(max_entries, 4096);
  __type(key, struct address);
  __type(value, __u32);
} learnt SEC(".maps"); /* at which port (ifindex) an address was seen last */

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u32);
} ports SEC(".maps"); /* filled by the loader */

SEC("xdp")
int forward(struct xdp_md *frame) {
  void *data = (void *)(long)frame->data, *end = (void *)(long)frame->data_end;
  struct ethhdr *header = data;
  struct address to = {}, sender = {};
  __u32 from = frame->ingress_ifindex, *known;

  if (data + sizeof *header > end) return XDP_DROP;
  __builtin_memcpy(to.octets, header->h_dest, ETH_ALEN);
  __builtin_memcpy(sender.octets, header->h_source, ETH_ALEN);
  /* What should become of the frame is yours to say: drop it (XDP_DROP), change it, count it. */
  known = bpf_map_lookup_elem(&learnt, &sender);
  if (!known || *known != from) bpf_map_update_elem(&learnt, &sender, &from, BPF_ANY);
  known = to.octets[0] & 1 ? 0 : bpf_map_lookup_elem(&learnt, &to); /* a group: to everybody */
  if (!known) return bpf_redirect_map(&ports, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
  return *known == from ? XDP_DROP : bpf_redirect_map(&ports, *known, 0);
}

char terms[] SEC("license") = "Dual MIT/GPL";
