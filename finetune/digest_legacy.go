package finetune

import "encoding/json"

// legacyConfig is the struct that a run's digest was computed from up to commit e60e5f3. With it a checkpoint of that
// time is recognized as the run's own. Its field names, their order and their omitempty must stay as they are.
type legacyConfig struct {
	Model                                              string
	ModelConfig                                        any
	Tokenizer                                          string
	Numerics                                           string `json:",omitempty"`
	Task                                               string
	Data, EvalData                                     any
	TaskOptions                                        map[string]any
	MaxLength                                          int
	Method                                             string
	Adapter                                            map[string]any
	MaxSteps                                           int
	NumTrainEpochs                                     float64
	PerDeviceTrainBatchSize, GradientAccumulationSteps int
	LearningRate                                       float64
	LRSchedulerType                                    string
	WarmupSteps                                        int
	WarmupRatio                                        float64
	MinLRRatio                                         float64 `json:",omitempty"`
	WeightDecay, AdamBeta1, AdamBeta2                  float64
	AdamEpsilon, MaxGradNorm                           float64
	ReLoRASteps                                        int   `json:",omitempty"`
	ReLoRAWarmupSteps                                  int   `json:",omitempty"`
	ReLoRAMoRATypes                                    []int `json:",omitempty"`
	EvalSteps, EvalExamples, EarlyStoppingPatience     int
	MetricForBestModel                                 string
	LoadBestModelAtEnd                                 bool
	SaveSteps, SaveTotalLimit, LoggingSteps            int
	Seed                                               uint64
	OutputDir                                          string
	SliceTokens                                        int
	Compare                                            []map[string]any
}

// legacyDigest returns the run's digest as it was computed up to commit e60e5f3, with a type of schedule of that time.
func (r *run) legacyDigest(schedule string) string {
	c, t := r.asGiven(), r.config.Train
	before := legacyConfig{
		Model: c.Model.Path, Tokenizer: c.Model.Tokenizer, Numerics: c.Model.Numerics,
		Task: c.Task.Name, Data: c.Task.Data.Plain(), EvalData: c.Task.EvalData.Plain(), TaskOptions: c.Task.Options, MaxLength: c.Task.MaxLength,
		Method: c.Method.Name, Adapter: c.Method.Settings,
		MaxSteps: t.MaxSteps, NumTrainEpochs: t.NumTrainEpochs,
		PerDeviceTrainBatchSize: t.PerDeviceTrainBatchSize, GradientAccumulationSteps: t.GradientAccumulationSteps,
		LearningRate: t.LearningRate, LRSchedulerType: schedule, WarmupRatio: t.WarmupRatio,
		MinLRRatio: t.MinLRRatio, WeightDecay: t.WeightDecay, AdamBeta1: t.AdamBeta1, AdamBeta2: t.AdamBeta2,
		AdamEpsilon: t.AdamEpsilon, MaxGradNorm: t.MaxGradNorm,
		ReLoRASteps: t.ReLoRASteps, ReLoRAWarmupSteps: t.ReLoRAWarmupSteps, ReLoRAMoRATypes: t.ReLoRAMoRATypes,
		EarlyStoppingPatience: t.EarlyStoppingPatience, MetricForBestModel: t.MetricForBestModel, LoadBestModelAtEnd: t.LoadBestModelAtEnd,
		Seed: t.Seed, SliceTokens: t.MaxTokensPerMicroBatch,
	}
	if t.WarmupSteps != nil {
		before.WarmupSteps = int(*t.WarmupSteps)
	}
	if !c.Model.Config.Empty() {
		before.ModelConfig = plainValue(c.Model.Config)
	}
	course, err := json.Marshal(before)
	if err != nil {
		return ""
	}
	return digestOf(course, r.rows)
}

// legacyRun reports whether a digest is that of this run as of commit e60e5f3, and what of its course has another meaning
// since, "" for nothing.
func (r *run) legacyRun(digest string) (ok bool, changed string) {
	t := r.config.Train
	switch {
	case digest == r.legacyDigest(t.LRSchedulerType):
	case t.LRSchedulerType == "constant_with_warmup" && digest == r.legacyDigest("constant"):
	default:
		return false, ""
	}
	_, total, warmup := t.plan(len(r.rows))
	switch {
	case t.LRSchedulerType == "constant" && warmup > 0 && total > 0:
		return true, "lr_scheduler_type constant warmed up then; set constant_with_warmup"
	case t.WeightDecay > 0 && !t.WeightDecayAll:
		return true, "norms and biases decayed then; set weight_decay_all: true"
	case t.ModelDropout && (r.model.Config().Dropout > 0 || r.model.Config().AttentionDropout > 0):
		return true, "the model's own dropout was not applied then; set model_dropout: false"
	}
	return true, ""
}
