// Package bench measures the speed and the memory of a model on this machine: of training, of forward passes and of
// generation. What belongs here is measuring; results go into docs/performance.md.
//
//	r, err := bench.Train(ctx, m, nil, nil, bench.Options{Method: "lora", Batch: 4, Steps: 5, Dense: 256})
//	if err != nil {
//		return err
//	}
//	fmt.Println(r.TokensPerSecond, r.PeakBytes, r.MFU)
//
// # Overview
//
// [LoadModel] loads a model to measure. [Train] measures training steps as [Options] say and returns a [Result], with
// an [OperatorTime] for each kind of operator if a profile was asked for; [Methods] lists the methods that it knows.
// [Forward] measures passes without gradients ([ForwardResult]), [Decode] and [DecodeWith] measure generation ([DecodeResult]), and
// [Sweep] measures how the cost of training grows with rows, length, r and threads.
package bench
