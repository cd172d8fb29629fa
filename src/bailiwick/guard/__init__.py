"""The policy enforcement point: takes one call through the planes. The only room where the planes meet."""
