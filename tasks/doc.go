// Package tasks is what a model is trained on and asked: data in, prompts out, and scores of the answers. What belongs
// here is the meaning of a data set, as text and tokens. The files are read by package tasks/data, the answers of
// common forms are graded by package tasks/metric, and no model is known here.
//
// A task is made by its name and its options, and its examples become rows of tokens:
//
//	task, err := tasks.New("math", map[string]any{"data": "train.jsonl"})
//	rows, counts, err := tasks.EncodeAll(tok, nil, task, tasks.Train, 512)
//	fmt.Println(tasks.Format(tok, rows[0].IDs, rows[0].Labels))
//
// [New] makes a [Task]; [Names], [Options] and [Describe] say what there is. A task yields an [Example] for each record
// of a [Split], as segments of text of which some are scored ([Segment]), and it scores the text of an answer.
// [EncodeAll] and [Rows] turn a split into [Features]: token ids and labels, which are the id itself where a token is
// scored and head.IgnoreIndex elsewhere. Segments are tokenised one by one, so the border between prompt and answer is
// always a border between tokens. [Format] shows a row as the model sees it, and [EncodePrompt] makes the prompt of an
// evaluation.
//
// What else a task can do is in optional interfaces. The answer to an example is generated ([Generator]), chosen
// ([MultipleChoice], whose prompts and choices [EncodeChoices] tokenises), or read from the outputs of a head
// ([Postprocessor], a [HeadTask] that encodes its examples itself). It comes to [Metrics] as a [Prediction]. A
// [PromptBuilder] also takes questions without data, see [NewPromptBuilder].
//
// A new task is one file: a struct whose JSON keys are its options, which [Register] makes known by a name. It embeds
// [Files], [FewShot] or [ChoiceFiles], whose method Parse yields what the task makes of each record; [Answered] and
// [Question] make the usual examples. The example of Register is a complete task, and docs/adding.md walks through one.
//
// Data files are JSON Lines, a JSON array or object of records, SQuAD's JSON, CSV, TSV, CoNLL columns or plain text.
// "embedded:gsm8k/train.jsonl" names a file of package evaldata. Several files can be mixed by weights, see
// data.Source. What is wrong with data is told with file and line; the other errors are listed with [ErrUnknownTask].
package tasks
