"""Launches that several nodes of a job make together.

The supervisor of a launch runs on the first node of the job. There it starts the launcher of that node's ranks as for
any launch, and beside it, by srun, one `agent` on each other node: that checks that its node has the same software,
starts its own launcher, samples its own power and watches its own ranks, of which nobody else can see the processes.
Agents say that they are alive and how their node ended in short lines, which srun passes on; what they have captured
and measured lies in the folder of the launch, which all nodes must see.

`allocation` asks Slurm for the nodes of the job, `other_nodes` is the supervisor's side, `together` makes one energy
and one load of those of all nodes.
"""
