/*
 * Libraries that are loaded when something of them is first called. Some bring dozens of others, and loading
 * those takes three quarters of the time of a command that never needs them (`runfs lint`, `runfs run` of a
 * workflow without artifacts). Which functions a program may call stands in runfs/late_LIBRARY.h, whose
 * macros lead each call through a table; the compiler checks them against the library's own header.
 *
 * Any thread. A library that is not there, though it was when runfs was built, ends the program with a
 * sentence that names it.
 */
#ifndef RUNFS_LATE_H
#define RUNFS_LATE_H

#define LATE_FIELD(name) __typeof__(name) *name;

#endif
