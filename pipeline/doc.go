// Package pipeline serves Cybertron's tasks over models of package model, with adapters unmerged: one base model in memory,
// and as many adapters on it as there are customers, languages or tasks. What belongs here is what a Go program that uses
// Cybertron calls; where such a program has Cybertron's tasks.Load, it has one of the constructors here instead, whose result
// implements the interface of the same task:
//
//	c, err := pipeline.NewTextClassifier(m, tok, pipeline.Options{Adapter: "mine"})
//	if err != nil {
//		return err
//	}
//	r, err := c.Classify(ctx, "Shares fall 5% after weak guidance")
//	fmt.Println(r.Labels[0], r.Scores[0])
//	r, err = c.Classify(pipeline.WithAdapter(ctx, "another"), "The cat ran home.")
//
// # What a user meets
//
// The adapter is part of the call: [Options] names the one that a pipeline applies, and a context made by [WithAdapter] another
// one for the calls that get it. Calls may run at the same time, with different adapters; attaching, merging and training must
// not run beside them.
//
// A [TextClassifier] labels texts, and a [ZeroShotClassifier] with labels that come with the call; a [TokenClassifier] labels
// words or finds entities, a [QuestionAnswerer] the answers in a passage. A [TextEncoder] makes vectors, a [TextGenerator]
// texts, and a [LanguageModel] fills in masked tokens. All but the zero-shot classifier and the question answerer also take
// many texts at once, which is faster than one after the other.
//
// Texts become tokens as Hugging Face's tokenizer of the model makes them. Cybertron's own differs for text with accents,
// hyphens, Chinese characters or control characters; offsets are characters in both. A text that is too long is an error, as in
// Cybertron.
package pipeline
