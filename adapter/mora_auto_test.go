package adapter

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/model"
)

// TestAuto: Auto makes the paper's choices at the paper's sizes, and gives a reason. A file has the type that it chose.
func TestAuto(t *testing.T) {
	for _, tt := range []struct {
		out, in, r int
		want       MoRAType
	}{{4096, 4096, 8, Rotation}, {4096, 4096, 256, Sharing}, {11008, 4096, 8, Rotation}, {4096, 11008, 256, Sharing}, {576, 576, 8, Rotation}, {576, 576, 256, Sharing}} {
		m, err := (&MoRA{Common: Common{TargetModules: AllLinear}, R: tt.r, Type: Auto}).PrepareTargets([]*model.Linear{model.NewLinear(tt.out, tt.in, false)})
		if err != nil || m.(*MoRA).Type != tt.want || !strings.Contains(m.(*MoRA).reason, fmt.Sprintf("mora_type auto: %d (%s), since r̂ is", int(tt.want), tt.want)) {
			t.Errorf("%+v: got %+v, %v", tt, m, err)
		}
	}
	model := tinyModel(t, true)
	method := mustNew(t, "mora", map[string]any{"mora_type": "auto", "r": 1}).(*MoRA)
	a := mustAttach(t, model, "a", method)
	if method.Type != Auto || a.Method.(*MoRA).Type == Auto {
		t.Errorf("settings have %s, the adapter %s", method.Type, a.Method.(*MoRA).Type)
	}
	if raw, err := encode(a.Method); err != nil || strings.Contains(string(raw), "auto") {
		t.Errorf("the file would have %s, %v", raw, err)
	}
	if !strings.Contains(strings.Join(a.Describe(), "\n"), "mora_type auto") {
		t.Error("Describe has no reason")
	}
}
