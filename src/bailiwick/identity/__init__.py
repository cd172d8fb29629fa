"""Who acts, for whom, through which agents, in which task: directory, chain and authority. DESIGN §5 *Identity*."""
