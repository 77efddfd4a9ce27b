-- Looks for another layout where a board is empty. Writes nothing.
-- KEYS: 1 the record of the layout; 2 the scores of a board with the default layout.
-- Returns {layout or '', 1 if there are scores with the default layout}.
return {redis.call('GET', KEYS[1]) or '', redis.call('EXISTS', KEYS[2])}
