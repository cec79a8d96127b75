#!/bin/bash
# Kills trainings at random moments, resumes them until they are done, and compares what they made with an uninterrupted
# run's. Then resumes the finished run once more, which must change nothing.
#
#   scripts/kill_test.sh FINETUNE [KILLS]
#
# FINETUNE is the binary, KILLS how many SIGKILLs each of the variants takes (12 by default: 72 in all, then SIGINT and
# SIGTERM, SIGNALS of each, 3 by default). VARIANTS selects some of the variants. Works in a temporary folder, which stays where
# something differs. Exit code 1: something differs. Needs python3.
#
# What is compared is the list below: the files that it names, wherever they lie in a run's folder (checkpoints before the last
# left out: an interrupt makes one of its own), must have the same bits. Of a JSON file with names after a colon, these
# values must be the same; the others may be the clock's. A file or a value that one side lacks is a difference. Whatever the
# list does not name (logs, pictures, reports, event files, versions, the recipe, README) may differ from run to run. Where a
# file or a value is renamed, or another one is part of what must be the same: change the list here. metrics.jsonl is
# compared line by line; a line with none of its values but the step is passed over.
same='
*.safetensors *.safetensors.index.json
adapter_config.json config.json generation_config.json
tokenizer.json tokenizer_config.json special_tokens_map.json added_tokens.json chat_template.jinja
vocab.json vocab.txt merges.txt tokenizer.model spiece.model sentencepiece.bpe.model
trainer_state.json:global_step,seed,best_metric,best_step,bad_evals,restarts,eval_due,kernel,digest
metrics.jsonl:step,loss,learning_rate,grad_norm,eval_loss,eval_score,eval_metrics
'
set -u
ulimit -c 0
ft=$(realpath "${1:?usage: kill_test.sh FINETUNE [KILLS]}")
kills=${2:-12}
work=$(mktemp -d "${TMPDIR:-/tmp}/kill_test.XXXXXX")
cd "$work" || exit 2
RANDOM=${SEED:-1}
failed=0

common=(--model embedded --task memory --set task_options.pairs=24 --set per_device_train_batch_size=4
  --set learning_rate=3e-3 --set lr_scheduler_type=constant_with_warmup --set warmup_steps=2 --set seed=1
  --set max_steps=40 --set save_steps=3 --set eval_steps=4 --set logging_steps="${LOGGING_STEPS:-1}" --threads 1)
declare -A variant=(
  [mora]="--method mora --set eval_examples=0"
  [adalora]="--method adalora --set learning_rate=1e-3"
  [full]="--method full --set learning_rate=1e-3"
  [relora]="--method lora --set relora_steps=10 --set relora_warmup_steps=2"
  [early]="--method lora --set task_options.pairs=16 --set learning_rate=0.3 --set early_stopping_patience=2 --set eval_steps=2"
  [remora]="--method mora --set relora_steps=7 --set relora_warmup_steps=2 --set relora_mora_types=[1,6,4]"
)

nap() { sleep "$(printf '0.%03d' $((RANDOM % $1 + $2)))"; }   # $2 to $1+$2 thousandths of a second

# what FOLDER: what must be the same in a run's folder, a line for each file or value, its path first
what() {
  SAME=$same python3 - "$1" <<'P'
import fnmatch, hashlib, json, os, re, sys
root = sys.argv[1]
names = [n.partition(":")[::2] for n in os.environ["SAME"].split()]
last = max((int(m[1]) for d in os.listdir(root) if (m := re.fullmatch(r"checkpoint-(\d+)", d))), default=0)
def values(path, keys):
    lines = path.endswith(".jsonl")
    for text in open(path) if lines else [open(path).read()]:
        try:
            d = json.loads(text, parse_float=str, parse_int=str)  # to the last digit
        except ValueError:
            yield "is not JSON: " + " ".join(text.split())[:80]
            continue
        kept = [f"{k}={d[k]}" for k in keys if k in d]
        if not lines:
            yield from kept or ["has none of its values"]
        elif [k for k in keys if k in d] != ["step"]:
            yield " ".join(kept)
for folder, folders, files in os.walk(root, followlinks=True):
    folders[:] = sorted(f for f in folders if not f.startswith("checkpoint-") or f == f"checkpoint-{last}")
    for f in sorted(files):
        path = os.path.join(folder, f)
        keys = next((keys for name, keys in names if fnmatch.fnmatchcase(f, name)), None)
        if keys is not None:
            for v in values(path, keys.split(",")) if keys else [hashlib.sha256(open(path, "rb").read()).hexdigest()]:
                print(os.path.relpath(path, root), v)
P
}

# differ VARIANT OUTPUT DIFF: which files are not the same as the uninterrupted run's
differ() { diff <(what "ref-$1") <(what "$2") >"$3" || sed -n 's/^[<>] \([^ ]*\) .*/\1/p' "$3" | sort -u | paste -sd ' '; }

# enough FOLDER: the list names what a run writes: weights, a checkpoint's four files (config, weights, optimizer, state), losses
enough() {
  local w c l
  w=$(what "$1" | grep -c '^[^/ ]*\.safetensors ')
  c=$(what "$1" | grep -o '^checkpoint-[^ ]*' | sort -u | wc -l)
  l=$(what "$1" | grep -c '^metrics.* \(eval_\)\?loss=')
  ((w && c >= 4 && l > 1)) && return
  echo "$1: of what this run wrote the list names too little: $w files of weights, $c files of the last checkpoint, $l losses; change the list at the top"
  return 1
}

# start VARIANT OUTPUT [--resume]: in the background, its pid in $pid
start() {
  local v=$1 o=$2; shift 2
  # shellcheck disable=SC2086
  "$ft" train "${common[@]}" ${variant[$v]} --output "$o" "$@" >>"$o.out" 2>>"$o.log" &
  pid=$!
}

# wait for the moment: at random, in a save, right after one
moment() {
  local how=$1 o=$2 n
  case $how in
  random) nap 900 30 ;;
  saving) # a folder that is being written or exchanged is there
    for ((n = 0; n < 3000; n++)); do
      compgen -G "$o/*.tmp" >/dev/null && break
      compgen -G "$o/*.old" >/dev/null && break
      kill -0 "$pid" 2>/dev/null || break
    done
    sleep "0.00$((RANDOM % 10))" ;;
  saved)
    local had; had=$(grep -c saved "$o.log" 2>/dev/null)
    for ((n = 0; n < 400; n++)); do
      [ "$(grep -c saved "$o.log" 2>/dev/null)" != "$had" ] && break
      kill -0 "$pid" 2>/dev/null || break
    done
    sleep "0.00$((RANDOM % 10))" ;;
  esac
}

compare() {
  local v=$1 o=$2 d ok=same
  d=$(differ "$v" "$o" "$o.diff")
  [ -z "$d" ] || ok="DIFFERENT: $d"
  compgen -G "$o/*.tmp" >/dev/null && ok="$ok; left: $(cd "$o" && echo *.tmp)"
  compgen -G "$o/*.old" >/dev/null && ok="$ok; left: $(cd "$o" && echo *.old)"
  compgen -G "$o/.spagotune-*" >/dev/null && ok="$ok; left: $(cd "$o" && echo .spagotune-*)"
  [ "$ok" = same ] || failed=1
  printf '%-8s %-8s %3d kills, %3d of them before a checkpoint, %3d while a folder was written, resumed %3d times: %s\n' "$v" "$3" "$4" "$5" "$6" "$7" "$ok"
}

attack() { # VARIANT SIGNAL HOW-MANY
  local v=$1 signal=$2 many=$3 round=0 done=0 early=0 mid=0 resumed=0 hows=(random saving saved) code o d
  while ((done < many)); do
    ((round < 20 * many)) || { echo "$v $signal: in $round runs only $done were interrupted"; failed=1; return; }
    round=$((round + 1)); o="$v-$signal-$round"
    start "$v" "$o"
    for ((turn = 0; turn < 200; turn++)); do
      if ((done < many)); then
        moment "${hows[$((RANDOM % 3))]}" "$o"
        if kill -"$signal" "$pid" 2>/dev/null; then
          wait "$pid" 2>/dev/null; code=$?
          if ((code != 0)); then
            done=$((done + 1))
            compgen -G "$o/*.tmp" >/dev/null && mid=$((mid + 1))
          fi
        else
          wait "$pid" 2>/dev/null; code=$?
        fi
      else
        wait "$pid" 2>/dev/null; code=$?
      fi
      ((code == 0)) && break
      if compgen -G "$o/checkpoint-*[0-9]" >/dev/null; then
        resumed=$((resumed + 1)); start "$v" "$o" --resume
      else
        early=$((early + 1)); rm -rf "$o"; start "$v" "$o"
      fi
    done
    if ((code != 0)); then
      echo "$v $signal: never finished (exit $code): $(tail -1 "$o.log")"; failed=1; return
    fi
    compare "$v" "$o" "$signal" "$done" "$early" "$mid" "$resumed"
    if ((round == 1)); then
      start "$v" "$o" --resume
      if ! wait "$pid"; then
        echo "$v: the finished run cannot be resumed: $(tail -1 "$o.log")"; failed=1
      else
        d=$(differ "$v" "$o" "$o.again.diff")
        [ -z "$d" ] || { echo "$v: after the finished run was resumed once more: DIFFERENT: $d"; failed=1; }
      fi
    fi
  done
}

for v in ${VARIANTS:-mora adalora full early relora remora}; do
  start "$v" "ref-$v"
  wait "$pid" || { echo "$v: the uninterrupted run failed: $(tail -1 "ref-$v.log")"; failed=1; continue; }
  enough "ref-$v" || { failed=1; continue; }
  attack "$v" KILL "$kills"
  attack "$v" INT "${SIGNALS:-3}"
  attack "$v" TERM "${SIGNALS:-3}"
done
if ((failed)); then echo "FAILED; see $work"; exit 1; fi
rm -rf "$work"
echo "all the same"
