package finetune

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestBatchesAreEpochs(t *testing.T) {
	const rows, size = 10, 4
	c := Default()
	c.Train.PerDeviceTrainBatchSize, c.Train.GradientAccumulationSteps, c.Train.NumTrainEpochs = 2, 2, 2.5
	perEpoch, total, warmup := c.Train.plan(rows)
	if perEpoch != 3 || total != 8 || warmup != 1 {
		t.Errorf("plan gives %d steps per epoch, %d in all, %d of warm-up; want 3, 8, 1", perEpoch, total, warmup)
	}
	var first, second []int
	for step := range 3 {
		first = append(first, batchIndices(1, rows, size, perEpoch, step)...)
		second = append(second, batchIndices(1, rows, size, perEpoch, step+3)...)
	}
	if slices.Equal(first, second) {
		t.Error("two epochs have the same order")
	}
	for _, epoch := range [][]int{first, second} {
		slices.Sort(epoch)
		for i, v := range epoch {
			if v != i || len(epoch) != rows {
				t.Fatalf("an epoch has rows %v, want each row once", epoch)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"per_device_train_batch_size": func(c *Config) { c.Train.PerDeviceTrainBatchSize = 0 },
		"learning_rate":               func(c *Config) { c.Train.LearningRate = math.NaN() },
		"lr_scheduler_type":           func(c *Config) { c.Train.LRSchedulerType = "x" },
		"metric_for_best_model":       func(c *Config) { c.Train.MetricForBestModel = "x" },
		"eval_examples":               func(c *Config) { c.Train.MetricForBestModel = "score" },
		"adam_beta1":                  func(c *Config) { c.Train.AdamBeta1 = 1 },
	} {
		c := Default()
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got error %v, want one about %s", err, key)
		}
	}
	if c := Default(); c.Check() != nil {
		t.Errorf("the defaults are refused: %v", c.Check())
	}
}
