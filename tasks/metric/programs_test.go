package metric

import (
	"strings"
	"testing"
)

func TestPrograms(t *testing.T) {
	for program, want := range map[string]string{
		"ans = 60.94": "60.94", "ans = 60.94 - 25.14": "35.8", "x0 = 60.94 - 25.14; ans = x0 / 25.14": "1.42403", "ans = 13.4%": "0.134",
		"x0 = 17.84 - 4.11; x1 = 60.15 - 41.30; ans = x0 > x1": "no", "ans = 2 > 1": "yes", "ans = 3 * -.5": "-1.5", "ans = 12000000 / 3": "4000000",
		"ans = 0 * -1": "0", "ans = 1 + 1e-9": "1",
	} {
		if got, err := RunProgram(program); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", program, got, err, want)
		}
	}
	for program, want := range map[string]string{
		"": "is not name = value", "ans": "is not name = value", "ans = 1 +": "has 2 words", "ans = 1 ^ 2": `operator "^" is not known`,
		"ans = 1 / 0": "1 / 0 is not a number", "x0 = 1": "the last step is x0, want ans", "ans = nan": `"nan" is not a number`, "ans = 1 + x1": `"x1" is not a number`,
	} {
		_, err := RunProgram(program)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", program, err, want)
		}
	}
}

// FuzzRunProgram: whatever a program is, it has a result or an error.
func FuzzRunProgram(f *testing.F) {
	for _, s := range []string{"ans = 1", "x0 = 1 - 2; ans = x0 > 3%", "ans = 1 / 0", ";", "=", "ans = ans + 1", "x,y\n1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, program string) {
		if got, err := RunProgram(program); (got == "") == (err == nil) {
			t.Errorf("%q: got %q, %v", program, got, err)
		}
	})
}
