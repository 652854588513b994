# user=alice SLURM_CONF=/var/tmp/hansa-testbed/alpha/slurm.conf
sshare --parsable2 --format=Account,NoSuchColumn
