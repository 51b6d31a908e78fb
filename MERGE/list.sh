# list.sh TAG
cd /work/f
D="env PYTHONPATH=/work/f/src .venv/bin/python /tmp/dump.py /work/f"
t=$1
for s in config/config.yaml config/studies/*.yaml; do n=$(basename $s .yaml); $D $s /tmp/dags/$n.$t.json & [ $(jobs -r | wc -l) -ge 2 ] && wait -n; done
$D config/config.yaml /tmp/dags/demo-slabs.$t.json slabs=2 training_seeds='[2]' judge_training='[deepnet]' &
$D config/studies/sand.yaml /tmp/dags/sand-slabs.$t.json slabs=2 &
wait
$D config/studies/hagita-small.yaml /tmp/dags/hagita-slabs.$t.json slabs=2 training_seeds='[4]' segment='{}' allow_seen=true &
$D config/studies/shale.yaml /tmp/dags/shale-slabs.$t.json slabs=3 &
wait
for s in /tmp/dags/studies/*.yaml; do n=$(basename $s .yaml); $D $s /tmp/dags/$n.$t.json & [ $(jobs -r | wc -l) -ge 2 ] && wait -n; done; wait
