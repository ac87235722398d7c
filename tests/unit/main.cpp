#define BOOST_TEST_MODULE gpurun
#include <boost/test/unit_test.hpp>
