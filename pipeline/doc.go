// Package pipeline serves Cybertron's tasks with models of package model and unmerged adapters: one base model in
// memory, and as many adapters on it as there are customers, languages or tasks. What belongs here is what a Go program
// calls that uses Cybertron. Instead of Cybertron's tasks.Load it calls one of the constructors here, whose result
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
// # Overview
//
// [Open] loads a base model once and adapters on it, as a [Base]. Head, labels, problem type, numerics and tokenizer belong
// to the adapter that brought them, so one base answers for several tasks; [Base.Attach] and [Base.Detach] may run while
// calls are answered. The constructors of the pipelines are methods of Base. Those that take a model and its tokenizer are
// for adapters that share the model's head; attaching to that model, merging and training must not run at the same time as
// calls. A head that no training has reached is [ErrUntrainedHead].
//
// The adapter is part of the call: [Options] names the adapter that a pipeline applies, and a context made by
// [WithAdapter] replaces it for a call. Calls with different adapters may run concurrently.
//
// A [TextClassifier] labels texts, and a [ZeroShotClassifier] does so with labels that come with the call. A
// [TokenClassifier] labels words or finds entities, and a [QuestionAnswerer] finds answers in a passage. A
// [TextEncoder] computes embeddings, a [TextGenerator] generates texts, piece by piece and as answers in a chat if wanted,
// and a [LanguageModel] predicts masked tokens.
// All but the zero-shot classifier and the question answerer also take several texts at once, which is faster than one
// after another.
//
// Texts are tokenized as Hugging Face's tokenizer of the model does. Cybertron's own tokenizers differ for text with
// accents, hyphens, Chinese characters or control characters. Offsets count characters in both.
//
// A text that is too long is an error, as in Cybertron, except that a [TokenClassifier] and a [QuestionAnswerer] read it in
// windows that overlap, and that a [TextEncoder] cuts it where the model's folder has sentence-transformers' max_seq_length,
// and counts it. Entities are grouped, and answers chosen by [QuestionAnswerer.Answer] with its [AnswerOptions], as
// transformers' pipelines do; [AggregationStrategyFirst] and its like name the strategies that Cybertron lacks.
package pipeline
