package metric

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// RunProgram is the result of a program of ConvFinQA. A program is steps separated by semicolons: "name = value" or
// "name = value op value", where op is +, -, *, / or >. A value is a number, a percentage ("13.4%" is 0.134), or the
// name of an earlier step. The last step is named ans. The result is text: a number rounded to five decimal places, or
// for a comparison yes or no.
func RunProgram(program string) (string, error) {
	values := map[string]float64{}
	var last, name string
	for _, step := range strings.Split(program, ";") {
		left, right, ok := strings.Cut(step, "=")
		if name = strings.TrimSpace(left); !ok || name == "" {
			return "", fmt.Errorf("program %q: step %q is not name = value", program, strings.TrimSpace(step))
		}
		words := strings.Fields(right)
		if len(words) != 1 && len(words) != 3 {
			return "", fmt.Errorf("program %q: step %q has %d words after =, want a value, or a value, an operator and a value", program, strings.TrimSpace(step), len(words))
		}
		v, err := programValue(words[0], values)
		last = FormatNumber(v)
		if err == nil && len(words) == 3 {
			v, last, err = operate(v, words[1], words[2], values)
		}
		if err != nil {
			return "", fmt.Errorf("program %q: %w", program, err)
		}
		values[name] = v
	}
	if name != "ans" {
		return "", fmt.Errorf("program %q: the last step is %s, want ans", program, name)
	}
	return last, nil
}

// programValue is the value of a word: a number, or an earlier step.
func programValue(word string, values map[string]float64) (float64, error) {
	if v, ok := values[word]; ok {
		return v, nil
	}
	number, percent := strings.CutSuffix(word, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not a number, nor an earlier step", word)
	}
	if percent {
		v /= 100
	}
	return v, nil
}

// operate is the value of a step with an operator, and its text.
func operate(a float64, op, word string, values map[string]float64) (float64, string, error) {
	b, err := programValue(word, values)
	if err != nil {
		return 0, "", err
	}
	v := 0.0
	switch op {
	case "+":
		v = a + b
	case "-":
		v = a - b
	case "*":
		v = a * b
	case "/":
		v = a / b
	case ">":
		if a > b {
			return 1, "yes", nil
		}
		return 0, "no", nil
	default:
		return 0, "", fmt.Errorf("operator %q is not known; known are + - * / >", op)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, "", fmt.Errorf("%g %s %g is not a number", a, op, b)
	}
	return v, FormatNumber(v), nil
}

// FormatNumber is a number with at most five decimal places.
func FormatNumber(v float64) string {
	s := strings.TrimRight(strconv.FormatFloat(v, 'f', 5, 64), "0")
	if s = strings.TrimSuffix(s, "."); s == "-0" {
		return "0"
	}
	return s
}
