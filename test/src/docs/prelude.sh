# What runs before the commands of a page: it has mount, network and process namespaces of its own by then.
# $work is an empty folder with the files of the clone, $clone the clone; files of steps are in $steps.
for folder in /run/netns /run/nsm /var/lib/nsm /var/lib/nsm-registry; do
  mkdir -p $folder && mount -t tmpfs -o mode=755 tmpfs $folder || exit
done
ip link set lo up
umask 022
cd "$work" || exit
export PATH=$clone/node_modules/.bin:$PATH LAST=/dev/null npm_config_loglevel=silent

# step N: runs one in this shell, so that variables and functions stay.
step() {
  . "$steps/$1.sh" >"$steps/$1.out" 2>&1 </dev/null
  told "$1" $?
}

# stay N TEXT: one that need not end by itself; it is there when it has printed TEXT, on a busy machine after a while.
stay() {
  : >"$steps/$1.out"
  (. "$steps/$1.sh") >>"$steps/$1.out" 2>&1 </dev/null &
  local pid=$! until=$((SECONDS + 60))
  while [ $SECONDS -lt $until ]; do
    grep -qF -- "$2" "$steps/$1.out" && { told "$1" 0; return; }
    kill -0 $pid 2>/dev/null || { wait $pid; told "$1" $?; return; }
    sleep 0.05
  done
  told "$1" "none: it has not printed $2"
}

told() {
  echo "$1 $2" >>"$steps/results"
  LAST=$steps/$1.out
}

# eventually COMMAND…: until it succeeds, as one that needs what was started just before.
eventually() {
  local until=$((SECONDS + 60))
  while [ $SECONDS -lt $until ]; do "$@" && return; sleep 0.1; done
  return 1
}

# machines NAME=ADDRESS…: network namespaces on one link, each with folders for its manager as a machine of its own has them.
machines() {
  ip link add link-between type bridge && ip link set link-between up
  local each name
  for each in "$@"; do
    name=${each%%=*}
    ip netns add $name && ip link add to-$name type veth peer name eth0 netns $name || return
    ip link set to-$name master link-between up
    ip -n $name link set lo up
    ip -n $name address add ${each#*=}/24 dev eth0
    ip -n $name link set eth0 up
    mkdir -p /run/nsm/machines/$name/run /run/nsm/machines/$name/lib
  done
}

# pods NAME…: network namespaces of this machine, without a network of their own.
pods() {
  local name
  for name in "$@"; do ip netns add $name && ip -n $name link set lo up || return; done
}

# on NAME FILE: runs a script on one of them.
on() {
  if [ -d /run/nsm/machines/$1 ]; then
    nsenter --net=/run/netns/$1 unshare --mount --propagation private sh -c '
      mount --bind /run/nsm/machines/$1/lib /var/lib/nsm && mount --bind /run/nsm/machines/$1/run /run/nsm && exec bash "$2"' sh "$1" "$2"
  else
    nsenter --net=/run/netns/$1 bash "$2"
  fi
}
