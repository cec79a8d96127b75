package adapter

import (
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/wording"
)

func TestDescribe(t *testing.T) {
	m := tinyModel(t, true)
	c := &MoRA{Common: Common{TargetModules: Suffixes("down_proj", "q_proj"), ModulesToSave: stringList{"lm_head"}},
		R: 2, RankPattern: Pattern[int]{{"2.mlp.down_proj", 1}}, Type: Rotation}
	a := mustAttach(t, m, "a", c)
	want := []string{
		"q_proj 18×20: r̂ 8, 64 parameters, 3 layers",
		"down_proj 20×37: r̂ 10, 100 parameters, 2 layers",
		"down_proj 20×37: r̂ 8, 64 parameters, 1 layer",
		"lm_head.weight: trained whole, 620 parameters, 1 layer",
	}
	got := a.Describe()
	if !slices.Equal(got[:4], want) {
		t.Errorf("got %s", strings.Join(got, "\n"))
	}
	if a.NumTrainable() != 3*64+2*100+64+620 {
		t.Errorf("%d trainable", a.NumTrainable())
	}
	// 31·20 + 3·(18·20 + 2·6·20 + 20·18 + 3·37·20 + 2·20) + 20 = 10,300 and the adapter's.
	if want := "trainable parameters: 1,076 of 11,376 (9.4585 %)"; got[4] != want {
		t.Errorf("got %s, want %s", got[4], want)
	}
	var names []string
	for _, p := range a.Params() {
		names = append(names, p.Name)
	}
	if names[0] != "model.layers.0.self_attn.q_proj.lora_A" || names[1] != "model.layers.0.mlp.down_proj.lora_A" || names[6] != "lm_head.weight" {
		t.Errorf("parameters are called %v", names)
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := wording.Number(n); got != want {
			t.Errorf("%d is written %s", n, got)
		}
	}
}

func TestRanks(t *testing.T) {
	for _, tt := range []struct {
		method Method
		want   int
	}{
		{&LoRA{Common: Common{TargetModules: Suffixes("up_proj")}, R: 3, Alpha: 3}, 3},
		{&MoRA{Common: Common{TargetModules: Suffixes("up_proj")}, R: 3, Type: Sharing}, 13},
		{&MoRA{Common: Common{TargetModules: Suffixes("up_proj")}, R: 3, Type: Rotation}, 20},
	} {
		m := tinyModel(t, true)
		a := mustAttach(t, m, "a", tt.method)
		none, err := a.Spectra(t.Context(), 1e-4)
		if err != nil || len(none) != 3 || none[0].Rank != 0 {
			t.Errorf("untrained: %v, %v", none, err)
		}
		stirAll(a, 1)
		all, err := a.Spectra(t.Context(), 1e-4)
		if err != nil || all[1].Rank != tt.want || all[1].Out != 37 || all[1].In != 20 || all[1].Largest <= 0.01 {
			t.Errorf("%T: got %+v, %v, want rank %d", tt.method, all, err, tt.want)
		}
		if high, _ := a.Spectra(t.Context(), 2*all[1].Largest); high[1].Rank != 0 {
			t.Errorf("above the largest: %+v", high[1])
		}
		if err := a.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Spectra(t.Context(), 1); err == nil {
			t.Error("ranks of a merged adapter")
		}
		a.Unmerge()
	}
}
