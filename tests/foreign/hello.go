// What a Go program does from its first line on: goroutines on several threads, channels, garbage.
package main

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
)

func main() {
	fmt.Println("hello from", runtime.GOOS, runtime.GOARCH)
	numbers := make(chan int)
	sums := make(chan int)
	var workers sync.WaitGroup
	for worker := 0; worker < 8; worker++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			sum := 0
			for number := range numbers {
				sum += number * number
			}
			sums <- sum
		}()
	}
	go func() {
		for number := 0; number < 1000; number++ {
			numbers <- number
		}
		close(numbers)
		workers.Wait()
		close(sums)
	}()
	total := 0
	for sum := range sums {
		total += sum
	}
	fmt.Println("squares", total)

	digest := sha256.New()
	for round := 0; round < 100; round++ {
		fmt.Fprintln(digest, make([]byte, 1000))
		if round%25 == 0 {
			runtime.GC()
		}
	}
	fmt.Printf("digest %x\n", digest.Sum(nil))
	defer func() { fmt.Println("recovered:", recover()) }()
	var nothing *int
	fmt.Println(*nothing)
}
