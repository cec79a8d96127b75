// Package bench measures the speed and the memory of a model on this machine: of training, of forward passes and of
// generation. What belongs here is measuring; results go into docs/performance.md.
//
//	r, err := bench.Train(ctx, m, nil, nil, bench.Options{Method: "lora", Batch: 4, Steps: 5, Dense: 256})
package bench
