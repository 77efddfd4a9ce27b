package main

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"os"

	_ "modernc.org/sqlite" // the driver

	"github.com/larder-go/larder/warmup"
)

// product is what is cached.
type product struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Cents int64  `json:"cents"`
	Stock int64  `json:"stock"`
}

func (p product) key() string { return fmt.Sprintf("product:%d", p.ID) }

// openShop opens the database, and fills it if it is new. It is filled under another name and then renamed, so that one
// that is only half full never passes for the shop's.
func openShop(ctx context.Context, path string, products int) (*sql.DB, error) {
	if products < 1 {
		return nil, fmt.Errorf("a shop of %d products cannot be made", products)
	}
	if _, err := os.Stat(path); err != nil {
		if !os.IsNotExist(err) {
			return nil, err
		}
		fresh := path + ".new"
		if err := os.Remove(fresh); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		if err := fill(ctx, fresh, products); err != nil {
			return nil, fmt.Errorf("making %s: %w", path, err)
		}
		if err := os.Rename(fresh, path); err != nil {
			return nil, err
		}
	}
	return sql.Open("sqlite", path)
}

// fill makes a database of products, which are the same each time.
func fill(ctx context.Context, path string, products int) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE products (
		id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL, stock INTEGER NOT NULL)`)
	if err == nil {
		_, err = db.ExecContext(ctx, `WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM numbers WHERE i < ?)
			INSERT INTO products SELECT i, 'Jar of plums no. ' || i, 199 + i*7919 % 4800, i*31 % 100 FROM numbers`, products)
	}
	if closed := db.Close(); err == nil {
		err = closed
	}
	return err
}

func countProducts(ctx context.Context, db *sql.DB) (n int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM products").Scan(&n)
	return n, err
}

// products are the rows of the table. Their order is the same each time, so that a run can go on where another one was
// stopped. An error of one row is that product's; one that ends the rows is the source's.
func (p program) products(ctx context.Context, db *sql.DB) iter.Seq2[warmup.Item, error] {
	return func(yield func(warmup.Item, error) bool) {
		rows, err := db.QueryContext(ctx, "SELECT id, name, cents, stock FROM products ORDER BY id")
		if err != nil {
			yield(warmup.Item{}, err)
			return
		}
		defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
		for n := 1; rows.Next(); n++ {
			var one product
			err := rows.Scan(&one.ID, &one.Name, &one.Cents, &one.Stock)
			if p.loaded != nil {
				p.loaded(n)
			}
			if !yield(warmup.Item{Key: one.key(), Value: one}, err) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(warmup.Item{}, err)
		}
	}
}
