/* The loader of switch.bpf.c: its arguments are the ports, it prints "ready" when all have it.
 *
 * The object is a part of this program, so there is one file to upload. The kernel takes the XDP
 * program off the ports when this one ends, however it ends.
 */
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

__asm__(".section .rodata\n.balign 8\nobject: .incbin \"switch.bpf.o\"\nobject_end:\n.previous");
extern const char object[], object_end[];

static int failed(const char *what) {
  perror(what);
  return 1;
}

int main(int argc, char **argv) {
  struct bpf_object *loaded = bpf_object__open_mem(object, object_end - object, NULL);
  if (!loaded || bpf_object__load(loaded)) return failed("load");
  int ports = bpf_object__find_map_fd_by_name(loaded, "ports");
  struct bpf_program *forward = bpf_object__find_program_by_name(loaded, "forward");
  for (int i = 1; i < argc; i++) {
    unsigned index = if_nametoindex(argv[i]);
    if (!index || bpf_map_update_elem(ports, &index, &index, BPF_ANY)) return failed(argv[i]);
  }
  for (int i = 1; i < argc; i++)
    if (!bpf_program__attach_xdp(forward, if_nametoindex(argv[i]))) return failed(argv[i]);
  printf("ready\n");
  fflush(stdout);
  pause();
  return 0;
}
