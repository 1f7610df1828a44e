"""What Flux has beside the cluster: its Receivers, and kubectl for what it builds."""
