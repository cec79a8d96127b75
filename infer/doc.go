// Package infer runs models: on rows of a task, on prompts, on continuations whose likelihoods are compared. Training,
// evaluation, serving and conversion all run a model through it. What belongs here is how inputs are batched into
// passes and how outputs are read. What an output means belongs to a task.
//
//	s, err := infer.Open(ctx, "smollm2", "run") // a model's folder and an adapter's, or "embedded" and ""
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	prompt, err := s.EncodePrompt("How many legs do 3 cats have?", infer.PromptOptions{Chat: true})
//	out, err := s.Complete(ctx, prompt, model.GenerationConfig{MaxNewTokens: 64}, func(piece string) { fmt.Print(piece) })
//	fmt.Println(out.Reason)
//
// # Overview
//
// [Open] opens a [Session]: a model, its tokenizer and, if one is named, an adapter. [Session.With] opens another adapter on
// the same weights, with its own head. [NewSession] returns a session of
// a model that is loaded already, and [ModelDir] the folder of the embedded model. A [ModelSetup], the content of
// host.json, says how to open a model again.
//
// A session turns a text into tokens ([Session.EncodePrompt], with [PromptOptions]) and continues them
// ([Session.Complete]), piece by piece or at once, to a [Completion]. [Session.LogLikelihoods] computes the
// log-probabilities of the choices of a [Question], [Session.Loss] the loss of rows, and [Session.Outputs] the outputs
// of the model's head. A prompt that leaves no room for an answer is a [PromptTooLongError].
//
// [Logits] runs any batches, and [CompareLogits] returns a [LogitChange] that says how much two versions of a model
// differ; [Session.Probes] returns batches for that.
//
// For a loop of your own: [Batch] concatenates rows for model.Model.Loss, and [MicroBatches] cuts them into
// micro-batches of [DefaultMicroBatchTokens] tokens. [OpenFor] calls an [Opener] for a model with the head that a task
// needs, [MatchHead] tells a task the head of its model, and [CollateEval] collates held-out rows once for all
// evaluations.
package infer
