"""The cluster as a picture: servers, bridges, tunnels, ports and guests, with what stands."""
