// Package infer runs models: over rows of a task, over prompts, over continuations to be compared. Training, evaluation,
// serving and conversion all run a model through it. What belongs here is how inputs become passes and how their outputs are
// read; what an output means belongs to a task, what is done with it to the caller.
//
// A Session is a model that has been opened, with an adapter where one was named:
//
//	s, err := infer.Open(ctx, "smollm2", "run")
//	defer s.Close()
//	prompt, err := s.EncodePrompt("How many legs have 3 cats?", infer.Prompt{Chat: true})
//	out, err := s.Complete(ctx, prompt, model.GenerationConfig{MaxNewTokens: 64}, func(piece string) { fmt.Print(piece) })
package infer
