// Package evaluate scores models: it takes a task's loss, lets a model answer a task's examples or somebody's inputs, and
// keeps the answers. What belongs here is asking and judging; how a model is run belongs to package infer, what is asked and
// how an answer is judged to package tasks.
//
//	s, err := infer.Open(ctx, "smollm2", "run")
//	tasks, err := evaluate.Tasks([]string{"gsm8k"}, []string{"gsm8k/test.jsonl"}, nil)
//	results, err := evaluate.All(ctx, s, tasks, evaluate.Options{Limit: 200})
package evaluate
