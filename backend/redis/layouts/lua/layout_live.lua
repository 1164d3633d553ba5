-- A key beside a thread lives as long as that, which has `left` ms: -1 for ever; so long that the sum with
-- now may be no number of Redis' any more is for ever too.
local function live(key, left)
	if left < 0 or left > 9e12 then
		redis.call('PERSIST', key)
	else
		redis.call('PEXPIRE', key, left)
	end
end
