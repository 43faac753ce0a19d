/* Marks what the shared library exports; everything else in it is hidden. A class that is private
   to an exported one inherits its mark and needs HOLDFAST_LOCAL. */
#ifndef HOLDFAST_EXPORT_H
#define HOLDFAST_EXPORT_H

#define HOLDFAST_API __attribute__((visibility("default")))
#define HOLDFAST_LOCAL __attribute__((visibility("hidden")))

#endif
