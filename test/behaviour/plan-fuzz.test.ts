// Random histories of steps with changes in between; test/long has more of them.
import { checkCaching } from '../helpers/cachingProperty';

test('an optimizer that is given the same objects behaves like one that is given copies', () => {
  checkCaching(20_240, 200);
});
