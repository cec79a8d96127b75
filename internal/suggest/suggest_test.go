package suggest

import "testing"

func TestNearest(t *testing.T) {
	keys := []string{"q_proj", "k_proj", "learning_rate", "warmup_steps"}
	for word, want := range map[string]string{
		"qproj": "q_proj", "learning_rat": "learning_rate", "lerning_rate": "learning_rate", "Q_PROJ": "q_proj",
		"warmpu_steps": "warmup_steps", "xyz": "", "": "",
	} {
		if got := Nearest(word, keys); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
	if got, want := Hint("zzz", []string{"b", "a"}), "; known are a, b"; got != want {
		t.Errorf("Hint = %q, want %q", got, want)
	}
}
