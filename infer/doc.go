// Package infer runs models: on rows of a task, on prompts, on continuations whose likelihoods are compared. Training,
// evaluation, serving and conversion all run a model through it. What belongs here is how inputs are batched into passes and
// how outputs are read. What an output means belongs to a task.
//
//	s, err := infer.Open(ctx, "smollm2", "run") // a model's folder and an adapter's, or "embedded" and ""
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	prompt, err := s.EncodePrompt("How many legs do 3 cats have?", infer.Prompt{Chat: true})
//	out, err := s.Complete(ctx, prompt, model.GenerationConfig{MaxNewTokens: 64}, func(piece string) { fmt.Print(piece) })
//	fmt.Println(out.Reason)
//
// # What a user meets
//
// [Open] opens a [Session]: a model, its tokenizer and, where one is named, an adapter. [NewSession] makes one of a model that
// is loaded already, and [ModelDir] says where the embedded model is. [Host] is the record of how a model is to be opened, the
// file host.json.
//
// A session makes tokens of a [Prompt] ([Session.EncodePrompt]) and continues them ([Session.Complete]), piece by piece or at
// once, to a [Completion]. [Session.LogLikelihoods] says how likely the continuations of a [Question] are, [Session.Loss] what
// the loss of rows is, and [Session.Outputs] what the head says of them.
//
// [Logits] runs any batches, and [Compare] says by a [Change] how far two versions of a model are apart; [Session.Probes] has
// batches for that.
//
// For a loop of your own: [Batch] lays rows end to end for model.Model.Loss, and [MicroBatches] cuts them into runs of
// [MicroBatchTokens]. [OpenFor] opens a model by an [Opener] with the head that a task wants, [MatchHead] gives a task the head
// of its model, and [CollateEval] draws held-out rows once for all.
package infer
