// Package data reads the files that tasks are trained and scored on: JSON Lines, JSON arrays and objects, CSV, TSV,
// CoNLL columns, SQuAD, Parquet and plain text, compressed or not. What belongs here is how a file becomes records; what a record means is a
// task's.
//
//	var store data.Store
//	records, err := store.Records(data.Source{Path: "train.jsonl"})
//	for _, r := range records {
//		f := r.Fields()
//		question, answer := f.Text("question"), f.Text("answer")
//		if err := f.Err(); err != nil {
//			return fmt.Errorf("%s: %w", r.Source(), err)
//		}
//	}
//
// A [Store] opens and parses each file once. A [Record] is a JSON object, whatever the form of the file, which its
// [Format] has read: [ReadAny] goes by the name and the first bytes of a file, [ReadTagged] and [ReadSQuAD] are for
// tags and questions, and [CSVColumns] is for tables without names of columns. A record knows its line and its [File],
// so that whoever finds something wrong in it can say where. [Fields] reads several of its fields at once, and [Object]
// one at a time.
//
// [Source] and [Sources] are options that name files, with weights and index files. [Mix] puts the records of several
// sources together: end to end, or by weight in an order that a seed decides.
package data
