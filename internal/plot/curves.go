package plot

import (
	"math"
	"strconv"

	"github.com/go-analyze/charts"
)

// Point is a value at a whole number of the x axis, such as a step.
type Point struct {
	X int
	Y float64
}

// gridPoints is the most places of the x axis that a chart of curves has.
const gridPoints = 400

// Curves writes curves as an SVG file whose x axis is true to scale. The points of a curve are in the order of X; straight
// lines join them.
func Curves(path, title, subtitle string, names []string, curves [][]Point) error {
	grid := gridOf(curves)
	labels, values := make([]string, len(grid)), make([][]float64, len(curves))
	for i, x := range grid {
		labels[i] = strconv.Itoa(int(math.Round(x)))
	}
	for j, points := range curves {
		values[j] = sample(points, grid)
	}
	return lines(path, title, subtitle, labels, names, values)
}

// gridOf are places at equal distances from the first to the last point: all points are among them, unless there would be
// more than gridPoints.
func gridOf(curves [][]Point) []float64 {
	first, last, step := math.MaxInt, math.MinInt, 0
	for _, points := range curves {
		for _, p := range points {
			first, last = min(first, p.X), max(last, p.X)
		}
	}
	for _, points := range curves {
		for _, p := range points {
			step = divisor(step, p.X-first)
		}
	}
	if first >= last {
		return []float64{float64(min(first, last))}
	}
	n := min((last-first)/step, gridPoints-1)
	grid := make([]float64, n+1)
	for i := range grid {
		grid[i] = float64(first) + float64(last-first)*float64(i)/float64(n)
	}
	return grid
}

// divisor is the greatest common divisor; that of 0 and n is n.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// sample are the values of a curve on a grid, with no value before its first point and after its last.
func sample(points []Point, grid []float64) []float64 {
	values := make([]float64, len(grid))
	for i, x := range grid {
		values[i] = at(points, x)
	}
	return values
}

// at is the value of a curve at a place.
func at(points []Point, x float64) float64 {
	for i, p := range points {
		switch px := float64(p.X); {
		case px == x:
			return p.Y
		case px > x && i > 0:
			before := points[i-1]
			return before.Y + (p.Y-before.Y)*(x-float64(before.X))/(px-float64(before.X))
		case px > x:
			return charts.GetNullValue()
		}
	}
	return charts.GetNullValue()
}
