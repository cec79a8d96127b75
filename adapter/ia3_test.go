package adapter

import (
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/model"
)

// TestIA3Places: inputs are scaled where feedforward_modules says so, outputs elsewhere; a bias is refused there.
func TestIA3Places(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "a", mustNew(t, "ia3", nil))
	for _, p := range a.Params() {
		want := []int{6, 1}
		if strings.Contains(p.Name, "down_proj") {
			want = []int{1, 37}
		}
		if !slices.Equal(p.Shape(), want) {
			t.Errorf("%s is %v, want %v", p.Name, p.Shape(), want)
		}
	}
	if len(a.Params()) != 9 {
		t.Errorf("%d vectors, want those of k, v and down in 3 layers", len(a.Params()))
	}
	l := model.NewLinear(3, 4, true)
	if _, err := mustNew(t, "ia3", nil).Adapt(l, layerRand(1, "")); err == nil || !strings.Contains(err.Error(), "has a bias") {
		t.Errorf("got %v", err)
	}
	if _, err := New("ia3", map[string]any{"layers_to_transform": []int{1}}); err == nil || !strings.Contains(err.Error(), "layers_to_transform is no setting of ia3") {
		t.Errorf("got %v", err)
	}
	if _, err := Attach(m, "b", &IA3{Common: Common{TargetModules: Suffixes("k_proj"), LayersToTransform: Ints{1}}}, 1); err == nil || !strings.Contains(err.Error(), "layers_to_transform is set") {
		t.Errorf("got %v", err)
	}
}
