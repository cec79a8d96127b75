package model_test

import (
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// TestMethodsOfEveryArchitecture attaches every method with its default target_modules to every architecture. It adapts what
// its documentation says, and computes the same beside the weights and merged into them.
func TestMethodsOfEveryArchitecture(t *testing.T) {
	methods := adapter.Methods()
	if testing.Short() {
		methods = []string{"ia3", "lora", "mora"}
	}
	for _, modelType := range model.Architectures() {
		raw, ok := config(t, modelType, nil)
		if !ok {
			continue
		}
		for _, name := range methods {
			t.Run(modelType+"/"+name, func(t *testing.T) { checkMethod(t, stirred(t, raw, model.Options{}), name) })
		}
	}
}

func checkMethod(t *testing.T, m *model.Model, name string) {
	settings, err := adapter.AtRank(name, 2)
	if err != nil {
		t.Fatal(err)
	}
	method, err := adapter.New(name, settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := adapter.Attach(t.Context(), m, name, method, 9)
	if err != nil {
		t.Fatal(err)
	}
	if name == "ia3" {
		checkPlaces(t, m, a)
	} else {
		checkAllLinear(t, m, a)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for _, p := range a.Params() {
		for i := range op.Data(p.Param).Data {
			op.Data(p.Param).Data[i] += float32(rng.NormFloat64()) / 20
		}
	}
	a.ParamsChanged()
	b := documents(m)
	want := outputs(t, m, b, name)
	if golden.MaxAbs(want, outputs(t, m, b, "")) < 1e-4 {
		t.Error("the adapter changes nothing")
	}
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "merged", outputs(t, m, b, ""), want, 1e-3, true)
}

// checkAllLinear: every linear layer but the head's is adapted. A gate with one output need not be.
func checkAllLinear(t *testing.T, m *model.Model, a *adapter.Adapter) {
	t.Helper()
	adapted := map[string]bool{}
	for _, l := range a.Layers() {
		adapted[l.Path()] = true
	}
	m.Linears(func(l *model.Linear) {
		out, _ := l.Dims()
		if want := !m.Head().Has(l.Path()); adapted[l.Path()] != want && (out > 1 || adapted[l.Path()]) {
			t.Errorf("%s is adapted: %t, want %t", l.Path(), adapted[l.Path()], want)
		}
	})
}

var (
	firstNumber = regexp.MustCompile(`^.*?\.\d+\.`)
	attention   = regexp.MustCompile(`(?i)att`)
)

// checkPlaces: in every block IA³ scales outputs of attention and, where the feed-forward part has linear layers, inputs of
// one of them.
func checkPlaces(t *testing.T, m *model.Model, a *adapter.Adapter) {
	t.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	places := func(path, part string) string { return firstNumber.FindString(path) + part }
	m.Linears(func(l *model.Linear) {
		if m.Head().Has(l.Path()) || !firstNumber.MatchString(l.Path()) {
			return
		}
		part := "feed-forward"
		if attention.MatchString(l.Path()) {
			part = "attention"
		}
		want[places(l.Path(), part)] = true
	})
	for _, l := range a.Layers() {
		part := "attention"
		if rows := op.Data(l.Adapter.Params()[0].Param).Rows; rows == 1 { // the inputs are scaled
			part = "feed-forward"
		}
		if part == "attention" != attention.MatchString(l.Path()) {
			t.Errorf("%s is scaled as one of %s", l.Path(), part)
		}
		got[places(l.Path(), part)] = true
	}
	for place := range want {
		if !got[place] {
			t.Errorf("%s: nothing is scaled", place)
		}
	}
}
