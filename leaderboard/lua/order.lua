-- What the scripts that place rows among others have in common. Go puts the constants of the board in front: see
-- scripts.go.

-- isAhead says whether the stored name a ranks before b where the scores are equal. It compares as Redis does: byte by
-- byte, whatever the locale of the server. (a, b = b, a would not swap them in miniredis.)
local function isAhead(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return (x < y) ~= HIGHEST
    end
  end
  return #a ~= #b and (#a < #b) ~= HIGHEST
end

-- between is the 0-based position that a stored name has, or would have, among the rows of its score, which are those
-- from low on and before high.
local function between(key, low, high, stored)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local row = call(RANGE, key, middle, middle)
    if row[1] and isAhead(row[1], stored) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end
