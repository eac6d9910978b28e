/*
 * A stand-in for sudo(8) in machines whose steps are root's: workflows that were written for GitHub's own
 * machines say `sudo apt-get install`, and where all is root's there is nothing to ask. It knows sudo's
 * options by the manual page; a command as another user needs setpriv(1).
 */
#ifndef RUNFS_JOB_SUDO_H
#define RUNFS_JOB_SUDO_H

/* The program, a script for sh(1). */
extern const char sudo_script[];

#endif
