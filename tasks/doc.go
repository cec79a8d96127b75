// Package tasks is data in, prompts and scores: what a model is trained on and how its answers are judged, in text. It
// knows tokenizers but no model.
//
// A task is one file: a struct whose JSON keys are its options, registered by name in the file's own init. It yields
// examples, each a few segments of text of which some are scored, and it scores an answer:
//
//	task, err := tasks.New("math", map[string]any{"data": "train.jsonl"})
//	rows, counts, err := tasks.EncodeAll(tok, nil, task, tasks.Train, 512)
//
// [EncodeAll] makes the rows that training takes: token ids beside labels, which are the id itself where a token is
// scored and [Ignore] elsewhere. Segments are tokenised one by one and laid end to end, so the border between prompt
// and answer is always a border between tokens. [Show] prints a row as the model will see it.
//
// A [Chooser] has choices instead, of which a model takes the likeliest. A task for another head than a language model's says
// so ([Headed]), makes its rows itself ([Rower]) and reads its answers off the head's outputs ([Answerer]). An [Extractor]
// says what it took from an answer to score it, a [Judge] what all answers come to together.
//
// Data files are JSON Lines, a JSON array or object of records, SQuAD's JSON, CSV, TSV, CoNLL's columns or plain text;
// "embedded:gsm8k/train.jsonl" names a file of package evaldata. Several are mixed by weights, see [Source]. Every
// complaint about data begins with file and line.
package tasks
