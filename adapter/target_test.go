package adapter

import (
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/model"
)

// paths are the paths of the layers of tinyModel that settings choose.
func paths(t *testing.T, c Common, strict bool) []string {
	t.Helper()
	ls, err := resolve(tinyModel(t, true), &LoRA{Common: c}, strict)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range ls.paths() {
		all = append(all, strings.TrimPrefix(path, "model.layers."))
	}
	return all
}

func TestTargets(t *testing.T) {
	tests := []struct {
		name string
		c    Common
		want string
	}{
		{"suffix", Common{TargetModules: Suffixes("q_proj")}, "0.self_attn.q_proj 1.self_attn.q_proj 2.self_attn.q_proj"},
		{"longer suffix", Common{TargetModules: Suffixes("1.mlp.up_proj", "lm_head")}, "1.mlp.up_proj lm_head"},
		{"whole path", Common{TargetModules: Suffixes("model.layers.2.mlp.up_proj")}, "2.mlp.up_proj"},
		{"expression", Common{TargetModules: TargetModules{Expr: `.*\.[02]\..*(q|v)_proj`}}, "0.self_attn.q_proj 0.self_attn.v_proj 2.self_attn.q_proj 2.self_attn.v_proj"},
		{"lookahead", Common{TargetModules: TargetModules{Expr: `(?!.*(mlp|head)).*\.(?P<n>1)\.self_attn\.[qk].*`}}, "1.self_attn.q_proj 1.self_attn.k_proj"},
		{"layers", Common{TargetModules: Suffixes("up_proj"), LayersToTransform: intList{0, 2}}, "0.mlp.up_proj 2.mlp.up_proj"},
		{"layers by name", Common{TargetModules: Suffixes("up_proj"), LayersToTransform: intList{1}, LayersPattern: stringList{"layers"}}, "1.mlp.up_proj"},
		{"exclude", Common{TargetModules: Suffixes("up_proj"), ExcludeModules: Suffixes("1.mlp.up_proj")}, "0.mlp.up_proj 2.mlp.up_proj"},
		{"exclude expression", Common{TargetModules: AllLinear, ExcludeModules: TargetModules{Expr: `.*\.(0|1)\..*|.*self_attn.*`}}, "2.mlp.gate_proj 2.mlp.up_proj 2.mlp.down_proj"},
		{"saved modules", Common{TargetModules: Suffixes("up_proj", "lm_head"), ModulesToSave: stringList{"lm_head", "0.mlp"}}, "1.mlp.up_proj 2.mlp.up_proj"},
	}
	for _, tt := range tests {
		if got := strings.Join(paths(t, tt.c, true), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := paths(t, Common{TargetModules: AllLinear}, true); len(got) != 21 || slices.Contains(got, "lm_head") {
		t.Errorf("all-linear: got %v", got)
	}
	if got := paths(t, Common{TargetModules: Suffixes("up_proj", "query")}, false); len(got) != 3 {
		t.Errorf("a file's name without a layer: got %v", got)
	}
}

func TestUnmatched(t *testing.T) {
	m := tinyModel(t, true)
	tests := []struct {
		c    Common
		rank Pattern[int]
		want string
	}{
		{Common{TargetModules: Suffixes("qproj", "v_proj")}, nil, `target_modules: no layer matches "qproj"; did you mean q_proj?`},
		{Common{TargetModules: Suffixes("mpl.up_proj")}, nil, `target_modules: no layer matches "mpl.up_proj"; did you mean mlp.up_proj?`},
		{Common{TargetModules: Suffixes("wordtable")}, nil, `no layer matches "wordtable"; there are down_proj; embed_tokens; gate_proj; k_proj; lm_head;`},
		{Common{TargetModules: Suffixes("query", "wordtable")}, nil, `lm_head; o_proj; q_proj; up_proj; v_proj; target_modules: no layer matches "wordtable"`},
		{Common{TargetModules: TargetModules{Expr: "q_proj"}}, nil, `no layer matches the regular expression "q_proj"; the whole path must match, such as model.layers.0.self_attn.q_proj`},
		{Common{TargetModules: TargetModules{Expr: "("}}, nil, `target_modules: "(" is no regular expression`},
		{Common{TargetModules: TargetModules{Expr: "(.+)+x"}}, nil, `target_modules: `},
		{Common{TargetModules: Suffixes("q_proj"), ExcludeModules: Suffixes("q_prj")}, nil, `exclude_modules: no layer matches "q_prj"; did you mean q_proj?`},
		{Common{TargetModules: Suffixes("q_proj"), ExcludeModules: Suffixes("self_attn.q_proj")}, nil, `target_modules: the other settings take every layer out again`},
		{Common{TargetModules: Suffixes("q_proj"), LayersToTransform: intList{1, 7}}, nil, `layers_to_transform: no layer has index 7; there are 0 to 2`},
		{Common{TargetModules: Suffixes("q_proj"), LayersToTransform: intList{1}, LayersPattern: stringList{"h"}}, nil, `layers_to_transform: no layer has index 1; there are none`},
		{Common{TargetModules: Suffixes("q_proj"), ModulesToSave: stringList{"lmhead"}}, nil, `modules_to_save: no module matches "lmhead"; did you mean lm_head?`},
		{Common{TargetModules: Suffixes("q_proj")}, Pattern[int]{{"layers.1.self_atn.q_proj", 2}}, `rank_pattern: no adapted layer matches "layers.1.self_atn.q_proj"; did you mean layers.1.self_attn.q_proj?`},
		{Common{TargetModules: Suffixes("q_proj")}, Pattern[int]{{"up_proj", 2}}, `rank_pattern: no adapted layer matches "up_proj"; did you mean q_proj?`},
		{Common{TargetModules: Suffixes("q_proj")}, Pattern[int]{{"(", 2}}, `rank_pattern: "(`},
	}
	for _, tt := range tests {
		_, err := Attach(t.Context(), m, "a", &LoRA{Common: tt.c, RankPattern: tt.rank}, 1)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		m.Linears(func(l *model.Linear) {
			if l.Adapter("a") != nil {
				t.Fatalf("%s has an adapter after %v", l.Path(), err)
			}
		})
	}
}

func TestAttachRefuses(t *testing.T) {
	m := tinyModel(t, true)
	lora := &LoRA{Common: Common{TargetModules: AllLinear}}
	mustAttach(t, m, "a", lora)
	mustAttach(t, m, "q", &LoRA{Common: Common{TargetModules: Suffixes("q_proj")}})
	for _, tt := range []struct {
		name   string
		method Method
		want   string
	}{
		{"", lora, "a name is needed"},
		{"a", lora, `there is an adapter "a" on model.layers.0.self_attn.q_proj already`},
		{"q", &LoRA{Common: Common{TargetModules: Suffixes("v_proj")}}, `there is an adapter "q" on other layers of the model already`},
		{"b", &LoRA{R: -1}, "r is -1"},
		{"b", &LoRA{RankPattern: Pattern[int]{{"q_proj", 0}}}, "rank_pattern: q_proj is 0"},
		{"b", &LoRA{AlphaPattern: Pattern[float64]{{"q_proj", 0}}}, "alpha_pattern: q_proj is 0"},
		{"b", &LoRA{Common: Common{TargetModules: Suffixes()}}, "target_modules is empty"},
		{"b", &MoRA{R: 1, Type: 5}, "mora_type is 5"},
		{"b", (*LoRA)(nil), "a nil *adapter.LoRA"},
		{"b", nil, "<nil> is no registered method"},
		{"b", &MoRA{Common: Common{TargetModules: AllLinear}, R: 16, Type: Sharing}, "r̂ 25 (of r 16) is larger than in_features 20 of model.layers.0.self_attn.q_proj"},
		{"b", &MoRA{Common: Common{TargetModules: Suffixes("k_proj")}, R: 2, Type: Neighbours}, "r̂ 7 (of r 2) is larger than out_features 6 of model.layers.0.self_attn.k_proj, which mora_type neighbours does not allow"},
	} {
		if _, err := Attach(t.Context(), m, tt.name, tt.method, 1); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// TestPatterns: layers get their ranks and alphas by keys, which are matched as in PEFT.
func TestPatterns(t *testing.T) {
	c := &LoRA{R: 8, Alpha: 16, RankPattern: Pattern[int]{{`layers\.1\..*_proj`, 3}, {"proj", 9}, {"q_proj", 2}},
		AlphaPattern: Pattern[float64]{{`^model.*v_proj`, 5}}}
	m := tinyModel(t, true)
	want := map[string][2]float64{"model.layers.0.self_attn.q_proj": {2, 16}, "model.layers.1.self_attn.q_proj": {3, 16},
		"model.layers.1.self_attn.v_proj": {3, 5}, "model.layers.0.self_attn.v_proj": {8, 5}, "lm_head": {8, 16}}
	m.Linears(func(l *model.Linear) {
		if w, ok := want[l.Path()]; ok {
			if r, alpha, err := c.lowRank().on(l.Path()); err != nil || float64(r) != w[0] || alpha != w[1] {
				t.Errorf("%s: got r %d, alpha %g, %v, want %v", l.Path(), r, alpha, err, w)
			}
		}
	})
}

// TestLayerIndex: the number that counts is that of PEFT's expressions, the first one of a path.
func TestLayerIndex(t *testing.T) {
	for _, c := range []struct {
		path  string
		lists []string
		want  int
	}{
		{"model.layers.3.self_attn.q_proj", nil, 3},
		{"encoder.block.1.layer.0.SelfAttention.q", nil, 1},
		{"encoder.block.1.layer.0.SelfAttention.q", []string{"layer"}, 0},
		{"encoder.block.1.layer.0.SelfAttention.q", []string{"layer", "block"}, 0},
		{"encoder.block.1.layer.0.SelfAttention.q", []string{"h", "block"}, 1},
		{"h.2.attn.c_attn", nil, -1},
		{"h.2.attn.c_attn", []string{"h"}, 2},
		{"model.layers.3", nil, -1},
		{"model.layers.3.q", []string{"h"}, -1},
	} {
		if got := layerIndex(c.path, c.lists); got != c.want {
			t.Errorf("%s, %v: got %d, want %d", c.path, c.lists, got, c.want)
		}
	}
}

// TestFullMatch: expressions have Python's meaning, whatever matches them.
func TestFullMatch(t *testing.T) {
	for _, c := range []struct {
		expr, s string
		want    bool
	}{
		{`model\.layers\.3\..*`, "model.layers.3.q", true}, {`a|ab`, "ab", true}, {`(?P<n>a)b`, "ab", true}, {`q`, "q_proj", false},
		{`(?!model)x.*`, "xy", true}, {`(a)\1`, "aa", true}, {`(a)\1`, "ab", false}, {`a{,2}`, "aa", true}, {`(a+)+b`, strings.Repeat("a", 50), false},
	} {
		if got, err := fullMatch(c.expr, c.s); err != nil || got != c.want {
			t.Errorf("%s on %s: got %t, %v", c.expr, c.s, got, err)
		}
	}
}
