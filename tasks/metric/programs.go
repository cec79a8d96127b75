package metric

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// RunProgram is the result of a ConvFinQA program: steps between semicolons, "name = value" or "name = value op value",
// with +, -, *, / and >. A value is a number, "13.4%" (0.134) or the name of an earlier step; the last step's is "ans".
// The result is text: a number rounded to five digits behind the point, or yes or no for a comparison.
func RunProgram(program string) (string, error) {
	values := map[string]float64{}
	var last, name string
	for _, step := range strings.Split(program, ";") {
		left, right, ok := strings.Cut(step, "=")
		if name = strings.TrimSpace(left); !ok || name == "" {
			return "", fmt.Errorf("program %q: step %q is no name = value", program, strings.TrimSpace(step))
		}
		words := strings.Fields(right)
		if len(words) != 1 && len(words) != 3 {
			return "", fmt.Errorf("program %q: step %q has %d words behind =, want a value, or a value, an operator and a value", program, strings.TrimSpace(step), len(words))
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

func programValue(word string, values map[string]float64) (float64, error) {
	if v, ok := values[word]; ok {
		return v, nil
	}
	number, percent := strings.CutSuffix(word, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is no number and no earlier step", word)
	}
	if percent {
		v /= 100
	}
	return v, nil
}

// operate is a step of two values, and its text.
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
		return 0, "", fmt.Errorf("%g %s %g is no number", a, op, b)
	}
	return v, FormatNumber(v), nil
}

// FormatNumber is a number with at most five digits behind the point.
func FormatNumber(v float64) string {
	s := strings.TrimRight(strconv.FormatFloat(v, 'f', 5, 64), "0")
	if s = strings.TrimSuffix(s, "."); s == "-0" {
		return "0"
	}
	return s
}
