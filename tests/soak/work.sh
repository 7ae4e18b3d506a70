# What a task of a soak is done by: it writes down that it runs, and behaves as the plan of the task says.
#
# Called as `sh work.sh LEDGER PLANS SQUAD`. A line of the ledger is `WHAT TASK EPOCH PID START UPTIME`; all of them are
# appended, so that their order is that in which they happened. Whoever begins looks whether anybody of an earlier run of
# the task lives, and writes `meets` where that is so. Whoever has yielded puts its state into its worktree; where the next
# slice does not find it, it writes `lost`.
ledger=$1
plans=$2
squad=$3

tell() {
    read -r up _ < /proc/uptime
    echo "$1 $SQUAD_TASK $SQUAD_EPOCH $2 $3 $up" >> "$ledger"
}

# Takes the state and the time of the start out of a line of /proc/PID/stat.
look() {
    look_rest=${1##*) }
    # shellcheck disable=SC2086 # its words are what is wanted
    set -- $look_rest
    state=$1
    shift 19
    began=$1
}

read -r stat < /proc/$$/stat
look "$stat"
own=$began
tell begin $$ "$own"
nth=0
last=
while read -r what task epoch pid start _; do
    [ "$task" = "$SQUAD_TASK" ] || continue
    [ "$epoch" = "$SQUAD_EPOCH" ] && [ "$pid" != $$ ] && last=$what
    [ "$what" = begin ] && nth=$((nth + 1))
    [ "$what" = begin ] || [ "$what" = child ] || continue
    [ "$pid" = $$ ] && [ "$start" = "$own" ] && continue
    if { read -r stat < "/proc/$pid/stat"; } 2> /dev/null; then
        look "$stat"
        [ "$began" = "$start" ] && [ "$state" != Z ] && [ "$state" != X ] && tell meets "$pid" "$epoch"
    fi
done < "$ledger"

# Whoever goes on after a slice finds what the last one has put away.
state_file=slice-of-$SQUAD_TASK
if [ "$last" = yield ]; then
    [ -e "$state_file" ] || tell lost $$ "$own"
    rm -f "$state_file"
fi

# The plan has a line for each run; the last holds for all that follow.
line=0
while [ "$line" -lt "$nth" ] && read -r word time; do
    line=$((line + 1)) how=$word pause=$time
done < "$plans/$SQUAD_TASK"

leave() {
    echo "$1" > "$SQUAD_RESULT"
    tell end $$ "$own"
    exit "${2-0}"
}

done='{"outcome":"done","summary":"did it","deliverable":"x"}'
case $how in
ok)
    sleep "$pause"
    leave "$done"
    ;;
slow)
    i=0
    while [ ! -e "$SQUAD_YIELD_FILE" ] && [ "$i" -lt "${pause%.*}${pause#*.}" ]; do
        sleep 0.1
        i=$((i + 1))
    done
    [ -e "$SQUAD_YIELD_FILE" ] || leave "$done"
    echo "a part" > "$state_file"
    echo '{"outcome":"yielded","summary":"a part"}' > "$SQUAD_RESULT"
    tell yield $$ "$own"
    exit
    ;;
dirty)
    echo new > "file-of-$SQUAD_TASK"
    sleep "$pause"
    leave "$done"
    ;;
fail)
    sleep "$pause"
    echo "cannot read plan.md: No such file or directory"
    tell end $$ "$own"
    exit 3
    ;;
block)
    sleep "$pause"
    leave '{"outcome":"blocked","block":{"kind":"human","reason":"two ways","needs":["a decision"],"question":"Which?","options":["one","two"]}}'
    ;;
wait)
    sleep "$pause"
    leave '{"outcome":"blocked","block":{"kind":"external","reason":"a rate limit","retryAfter":1}}'
    ;;
self)
    sleep "$pause"
    tell end $$ "$own"
    "$squad" complete "$SQUAD_TASK" --deliverable x --summary y --evidence url:https://example.test
    ;;
selfblock)
    sleep "$pause"
    tell end $$ "$own"
    "$squad" block "$SQUAD_TASK" --kind human --reason "two ways" --need "a decision" --question "Which?" \
        --option one --option two
    ;;
stubborn)
    trap '' TERM INT HUP
    sleep "$pause"
    leave "$done"
    ;;
deaf)
    trap '' TERM INT HUP
    while :; do sleep 0.2; done
    ;;
child | deafchild)
    [ "$how" = deafchild ] && trap '' TERM INT HUP
    # In a session of its own, so that no signal to the group reaches it.
    # shellcheck disable=SC2016 # expanded by that shell
    setsid sh -c 'read -r stat < /proc/$$/stat; rest=${stat##*) }; set -- $rest; shift 19; began=$1
        read -r up _ < /proc/uptime
        echo "child $SQUAD_TASK $SQUAD_EPOCH $$ $began $up" >> "$0"
        i=0; while [ $i -lt 600 ]; do sleep 0.5; i=$((i + 1)); done' "$ledger" &
    sleep "$pause"
    leave "$done"
    ;;
esac
