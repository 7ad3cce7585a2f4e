package main

import "math"

// A scaling is the universal scalability law of Gunther: n clients reach lambda·n / (1 + sigma·(n-1) + kappa·n·(n-1))
// images a second. Sigma is the part of the work that is done one at a time, kappa what clients cost each other.
// https://www.perfdynamics.com/Manifesto/USLscalability.html
type scaling struct{ lambda, sigma, kappa float64 }

// a measuredRate is how many images a second so many clients reach.
type measuredRate struct{ clients, rate float64 }

// fitScaling returns the law that fits best, by the squares of relative errors of n/rate, with no negative parameter.
// It needs rates above 0 of three numbers of clients.
func fitScaling(measured []measuredRate) scaling {
	best, least := scaling{}, math.Inf(1)
	// The law is linear: n/rate = (1 + sigma·(n-1) + kappa·n·(n-1)) / lambda. Where the best solution has a negative
	// parameter, that is 0 in the best solution without negative ones; so try all.
	for _, used := range [][]int{{0, 1, 2}, {0, 1}, {0, 2}, {0}} {
		p, ok := leastSquares(measured, used)
		if !ok || p[0] <= 0 || p[1] < 0 || p[2] < 0 {
			continue
		}
		s := scaling{1 / p[0], p[1] / p[0], p[2] / p[0]}
		if e := s.error(measured); e < least {
			best, least = s, e
		}
	}
	return best
}

// terms are what the parameters of the linear form are multiplied with.
func terms(n float64) [3]float64 { return [3]float64{1, n - 1, n * (n - 1)} }

// leastSquares solves the normal equations of some of the parameters; the others are 0.
func leastSquares(measured []measuredRate, used []int) (parameters [3]float64, ok bool) {
	size := len(used)
	rows := make([][]float64, size)
	for i := range rows {
		rows[i] = make([]float64, size+1)
	}
	for _, m := range measured {
		weight, t := m.rate/m.clients, terms(m.clients) // so that the error of a row is relative
		for i, a := range used {
			for j, b := range used {
				rows[i][j] += weight * weight * t[a] * t[b]
			}
			rows[i][size] += weight * t[a]
		}
	}
	for i := range rows { // Gauss and Jordan; the matrix is positive definite or singular
		if rows[i][i] < 1e-12 {
			return parameters, false
		}
		for j := range rows {
			if i == j {
				continue
			}
			factor := rows[j][i] / rows[i][i]
			for k := i; k <= size; k++ {
				rows[j][k] -= factor * rows[i][k]
			}
		}
	}
	for i, a := range used {
		parameters[a] = rows[i][size] / rows[i][i]
	}
	return parameters, true
}

// at returns the images a second of n clients.
func (s scaling) at(n float64) float64 { return s.lambda * n / (1 + s.sigma*(n-1) + s.kappa*n*(n-1)) }

// error returns the sum of the squares of the relative errors of n/rate.
func (s scaling) error(measured []measuredRate) (sum float64) {
	for _, m := range measured {
		e := m.rate/s.at(m.clients) - 1
		sum += e * e
	}
	return sum
}

// worst returns the largest relative error of a rate.
func (s scaling) worst(measured []measuredRate) (worst float64) {
	for _, m := range measured {
		worst = max(worst, math.Abs(s.at(m.clients)/m.rate-1))
	}
	return worst
}

// best returns the number of clients beyond which the rate falls, 1 or more; infinite if it never does.
func (s scaling) best() float64 { return max(1, math.Sqrt(max(0, 1-s.sigma)/s.kappa)) }
