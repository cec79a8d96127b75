// Package infer runs models: on rows of a task, on prompts, on continuations whose likelihoods are compared. Training,
// evaluation, serving and conversion all run a model through it. What belongs here is how inputs are batched into passes and
// how outputs are read. What an output means belongs to a task.
//
// A Session is an open model, with an adapter if one was named:
//
//	s, err := infer.Open(ctx, "smollm2", "run")
//	defer s.Close()
//	prompt, err := s.EncodePrompt("How many legs have 3 cats?", infer.Prompt{Chat: true})
//	out, err := s.Complete(ctx, prompt, model.GenerationConfig{MaxNewTokens: 64}, func(piece string) { fmt.Print(piece) })
package infer
