// Package data reads the files that tasks are trained and scored on: JSON Lines, JSON arrays and objects, CSV, TSV, CoNLL
// columns, SQuAD and plain text. What belongs here is how a file becomes records; what a record means is a task's.
//
// A Record knows its file and line, so that whoever finds something wrong in it can say where. Sources name files with
// weights and indices; Mix lays their records end to end, or mixes them by weight in an order that a seed decides.
package data
